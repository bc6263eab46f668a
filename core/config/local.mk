core_isthmus_SOURCES += %D%/diag.c %D%/node.c %D%/read.c
