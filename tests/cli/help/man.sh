# troff has no complaint
command -v groff >/dev/null || { echo "SKIP: no groff"; exit; }
sluice --man | groff -man -Tascii -ww >page
grep -c 'SLUICE_BATCH_SIZE' page
