# Ratios measured in one run: BENCHES += %D%/x.sh, which BENCH=x picks.
EXTRA_DIST += %D%/all.sh %D%/turns.py
BENCHES += tests/bench/validate.sh
BENCHES += %D%/mirror.sh %D%/policy-churn.sh %D%/stars.sh %D%/routes.sh
BENCHES += %D%/engine.sh %D%/ios.sh
noinst_PROGRAMS += tests/bench/measure
tests_bench_measure_SOURCES = %D%/measure.c
# Raw requests, changes at a rate, and memory, for measurements against real API servers.
noinst_PROGRAMS += tests/bench/kube-load
tests_bench_kube_load_SOURCES = %D%/load/load.c %D%/load/http.c %D%/load/seed.c %D%/load/replay.c %D%/load/churn.c \
	%D%/load/memory.c %D%/load/load.h
tests_bench_kube_load_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS)
tests_bench_kube_load_LDADD = sdk/lib/libistbase.la $(CURL_LIBS) $(JANSSON_LIBS)
EXTRA_DIST += %D%/load/lib.sh
BENCHES += %D%/policy.sh
noinst_PROGRAMS += tests/bench/read-json
tests_bench_read_json_SOURCES = %D%/read-json.c
tests_bench_read_json_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_bench_read_json_LDADD = $(JANSSON_LIBS)
