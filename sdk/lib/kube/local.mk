# libisthmus: kube
