p

va