# Ratios measured in one run: BENCHES += %D%/x.sh
