command -v zsh >/dev/null || { echo "SKIP: no zsh"; exit; }
sluice --completion=zsh >_sluice && zsh -n _sluice
