rthis is no image
