sluice help exit-codes
