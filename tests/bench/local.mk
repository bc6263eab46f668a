# Ratios measured in one run: BENCHES += %D%/x.sh
BENCHES += tests/bench/validate.sh
BENCHES += %D%/mirror.sh %D%/stars.sh
BENCHES += %D%/engine.sh
noinst_PROGRAMS += tests/bench/measure
tests_bench_measure_SOURCES = %D%/measure.c
