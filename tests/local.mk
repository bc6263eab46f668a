if CMOCKA
include tests/unit/local.mk
endif
include tests/integration/local.mk
