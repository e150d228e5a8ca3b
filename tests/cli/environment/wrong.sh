# a wrong value names its variable, whatever the verb
SLUICE_BATCH_SIZE=many sluice transforms
