p

values