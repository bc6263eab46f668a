# Ratios measured in one run: BENCHES += %D%/x.sh
BENCHES += tests/bench/validate.sh
BENCHES += %D%/mirror.sh
