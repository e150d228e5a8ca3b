# the environment is for every verb: one that does not apply is no mistake
SLUICE_OVERWRITE=1 SLUICE_DEVICE=cpu SLUICE_LIMIT=3 sluice transforms tensor.softmax >/dev/null
