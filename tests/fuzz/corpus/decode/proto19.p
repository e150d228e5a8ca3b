p

values:
