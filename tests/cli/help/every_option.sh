# one table: what the long help lists, the man page and all completions know
sluice --man >man
for shell in bash zsh fish; do sluice --completion=$shell >$shell; done
options=$(sluice help all | grep -oE '^  (   |-.,) --[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+')
[ "$(echo "$options" | wc -l)" -ge 26 ] || echo "the help lists only: $options"
for option in $options; do
    grep -qF -- "${option//-/\\-}" man || echo "not in the man page: $option"
    grep -qE -- "$option( |\))" bash || echo "not in bash: $option"
    grep -qF -- "$option" zsh || echo "not in zsh: $option"
    grep -qE -- " -l ${option#--}( |\$)" fish || echo "not in fish: $option"
done
for verb in run plan inspect transforms help; do
    grep -qE "fB(sluice )?$verb.fR" man && grep -qw "$verb" bash && grep -qw "$verb" zsh && grep -qw "$verb" fish || echo "missing: $verb"
done
