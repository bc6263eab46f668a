# The ABI's values and calls as a plugin that uses libisthmus sees them.
sdk_lib_libisthmus_la_SOURCES += %D%/check.c %D%/check_addresses.c %D%/check_aws.c %D%/check_names.c %D%/env.c %D%/helper.c %D%/helper.h %D%/value.c
