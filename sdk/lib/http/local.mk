# libisthmus: http
sdk_lib_libisthmus_la_SOURCES += %D%/base.c
