sdk_lab_isthmus_lab_SOURCES += %D%/ccp.c
