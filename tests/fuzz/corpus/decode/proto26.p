p

values:
‡	