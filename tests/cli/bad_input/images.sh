# images that cannot be decoded
exec 2>&1
photos=$SAMPLES/04-photos-upright
mkdir in
photo=$(find "$photos/input" -name '*.jpg' | sort | head -n 1)
head -c 900 "$photo" >in/cut.jpg
echo "not a picture" >in/text.jpg
: >in/zero.jpg
cp "$photo" in/whole.jpg
sluice run -q "$photos/model" in out --max-rejects 75%; echo "= $?"
for f in cut text zero; do cat out/$f.jpg.out; done
grep -c . out/whole.jpg.out
cat out/_sluice/rejects.jsonl
