# UNIT_TESTS are programs; INTEGRATION_TESTS, REAL_TESTS and BENCHES are shell scripts. All but the last print TAP.
if CMOCKA
include tests/unit/local.mk
endif
include tests/torture/local.mk
include tests/integration/local.mk
include tests/real/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
