sdk_lab_isthmus_lab_SOURCES += %D%/absent.c %D%/net.c %D%/net.h
