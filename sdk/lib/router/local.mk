# libisthmus: launching of a router VM
