sdk_lab_isthmus_lab_SOURCES += %D%/net.c %D%/net.h
