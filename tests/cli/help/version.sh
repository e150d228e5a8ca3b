sluice --version
sluice -V -v
