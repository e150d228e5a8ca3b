p

value