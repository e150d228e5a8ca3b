r‰PNG

