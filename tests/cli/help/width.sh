# fits a terminal of 80 columns
for topic in '' all run plan inspect transforms help exit-codes; do sluice --help="$topic"; done | awk 'length > 80'
