sluice run -q "$SAMPLES/03-digits-cnn/model" "$SAMPLES/03-digits-cnn/input" out && find out -type f | sort
