pè
values:
	