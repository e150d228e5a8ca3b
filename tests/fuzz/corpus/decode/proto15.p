p

