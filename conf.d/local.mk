# The shipped configuration, as an example beside the program's data.
nobase_dist_pkgdata_DATA = conf.d/isthmus.yaml conf.d/stars.yaml conf.d/examples/hybrid.yaml conf.d/stars/aws.yaml conf.d/stars/dmvpn_conf.yaml \
	conf.d/stars/multicluster_stars_svcs.yaml conf.d/stars/calico.yaml conf.d/stars/manifests/stars.yaml \
	conf.d/stars/manifests/client.yaml conf.d/stars/manifests/management-ui.yaml \
	conf.d/stars/manifests/default-deny.yaml conf.d/stars/manifests/backend-policy.yaml \
	conf.d/stars/manifests/allow-ui-client.yaml
