p

values:
	