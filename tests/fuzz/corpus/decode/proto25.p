p

values—:
	