core_isthmus_SOURCES += %D%/diag.c
