# libisthmus: small private files
sdk_lib_libisthmus_la_SOURCES += %D%/file.c %D%/kept.c
