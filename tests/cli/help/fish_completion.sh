command -v fish >/dev/null || { echo "SKIP: no fish"; exit; }
sluice --completion=fish >sluice.fish && fish -n sluice.fish
