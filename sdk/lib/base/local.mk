# libisthmus: base
sdk_lib_libistbase_la_SOURCES += %D%/base.c
