# One line a plugin: its folder's name.
include plugins/test-file/local.mk
include plugins/k8s-netpol/local.mk
include plugins/k8s-svcmirror/local.mk
include plugins/k8s-apply/local.mk
include plugins/ccp/local.mk
include plugins/aws-eks/local.mk
include plugins/k8s-probe/local.mk
include plugins/aws-vpc/local.mk
include plugins/csr-dmvpn/local.mk
include plugins/frr-dmvpn/local.mk
include plugins/aws-routes/local.mk
