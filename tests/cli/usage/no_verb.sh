# no verb: the short help, on stderr, because nothing was done
sluice
