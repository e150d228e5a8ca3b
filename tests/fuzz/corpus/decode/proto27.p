p

values:
	†