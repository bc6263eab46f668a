# libisthmus: digests and random words
sdk_lib_libisthmus_la_SOURCES += %D%/crypto.c
