# libisthmus: ssh
