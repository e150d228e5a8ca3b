p

values:
	