p

values:
	