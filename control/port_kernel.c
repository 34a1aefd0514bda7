#include "control/port_kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES_NAMED 4 /* in an error message */

static const struct {
	uint32_t get, set;
	uint32_t flag; /* bit of the flags word; 0: the value is the whole answer */
} offloads[SL_KERNEL_OFFLOADS] = {
	[SL_KERNEL_TSO] = {ETHTOOL_GTSO, ETHTOOL_STSO, 0},
	[SL_KERNEL_GSO] = {ETHTOOL_GGSO, ETHTOOL_SGSO, 0},
	[SL_KERNEL_GRO] = {ETHTOOL_GGRO, ETHTOOL_SGRO, 0},
	[SL_KERNEL_LRO] = {ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETH_FLAG_LRO},
};

static const struct {
	const char *path; /* with the interface's name for %s */
	int value;
} settings[SL_KERNEL_SETTINGS] = {
	[SL_KERNEL_DISABLE_IPV6] = {"/proc/sys/net/ipv6/conf/%s/disable_ipv6", 1},
	[SL_KERNEL_FORWARDING] = {"/proc/sys/net/ipv4/conf/%s/forwarding", 0},
	[SL_KERNEL_ARP_IGNORE] = {"/proc/sys/net/ipv4/conf/%s/arp_ignore", 8 /* no answers */},
};

/* One ioctl about the interface. 0 or a negative errno. */
static int
control(const char *name, unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	err = ioctl(fd, request, ifr) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static int
ethtool(const char *name, void *command)
{
	struct ifreq ifr = {.ifr_data = command};

	return control(name, SIOCETHTOOL, &ifr);
}

static int
set_offload(const char *name, enum sl_kernel_offload o, bool on)
{
	struct ethtool_value v = {.cmd = offloads[o].get};
	int err = ethtool(name, &v);

	if (err)
		return err;
	v.cmd = offloads[o].set;
	if (offloads[o].flag)
		v.data = on ? v.data | offloads[o].flag : v.data & ~offloads[o].flag;
	else
		v.data = on;
	return ethtool(name, &v);
}

static bool
offload_is_on(const char *name, enum sl_kernel_offload o)
{
	struct ethtool_value v = {.cmd = offloads[o].get};

	if (ethtool(name, &v) != 0)
		return false;
	return offloads[o].flag ? (v.data & offloads[o].flag) != 0 : v.data != 0;
}

/* Opens the setting's file; -1 with errno. */
static int
open_setting(const struct sl_port_kernel *k, enum sl_kernel_setting s, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), settings[s].path, k->name);
	return open(path, flags | O_CLOEXEC);
}

/* The setting's value, or -1 where the kernel has none of that name. */
static int
get_setting(const struct sl_port_kernel *k, enum sl_kernel_setting s)
{
	int fd = open_setting(k, s, O_RDONLY);
	char text[16] = "";
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atoi(text) : -1;
}

static int
set_setting(const struct sl_port_kernel *k, enum sl_kernel_setting s, int value)
{
	int fd = open_setting(k, s, O_WRONLY), err;
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", value);

	if (fd < 0)
		return -errno;
	err = write(fd, text, (size_t)n) == n ? 0 : -errno;
	close(fd);
	return err;
}

static bool
is_foreign_address(const struct ifaddrs *a, const char *name, char text[static INET6_ADDRSTRLEN])
{
	if (!a->ifa_addr || strcmp(a->ifa_name, name) != 0)
		return false;
	if (a->ifa_addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)a->ifa_addr;

		return inet_ntop(AF_INET, &in->sin_addr, text, INET6_ADDRSTRLEN) != NULL;
	}
	if (a->ifa_addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)a->ifa_addr;

		return !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) &&
			inet_ntop(AF_INET6, &in6->sin6_addr, text, INET6_ADDRSTRLEN) != NULL;
	}
	return false;
}

/* Fails where the interface has addresses beside an automatic link-local one. */
static bool
check_addresses(const char *name, char *error, size_t size)
{
	char list[ADDRESSES_NAMED * (INET6_ADDRSTRLEN + 2) + 16] = "";
	char text[INET6_ADDRSTRLEN];
	struct ifaddrs *all;
	unsigned n = 0;
	size_t len = 0;

	if (getifaddrs(&all) != 0) {
		snprintf(error, size, "cannot read the kernel's addresses: %s", strerror(errno));
		return false;
	}
	for (const struct ifaddrs *a = all; a; a = a->ifa_next)
		if (is_foreign_address(a, name, text) && n++ < ADDRESSES_NAMED)
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", text);
	freeifaddrs(all);
	if (n == 0)
		return true;
	snprintf(error, size,
		"the kernel has addresses on %s (%s%s) and would answer beside the gateway; remove them (ip addr flush dev "
		"%s) and put those meant for the gateway under `addresses`",
		name, list, n > ADDRESSES_NAMED ? ", …" : "", name);
	return false;
}

static bool
change_settings(struct sl_port_kernel *k, char *error, size_t size)
{
	for (unsigned s = 0; s < SL_KERNEL_SETTINGS; s++) {
		int old = get_setting(k, s), err;
		char path[128];

		if (old < 0 || old == settings[s].value)
			continue;
		err = set_setting(k, s, settings[s].value);
		if (err) {
			snprintf(path, sizeof(path), settings[s].path, k->name);
			snprintf(error, size, "cannot set %s to %d: %s; set it by hand, or let sluice write there", path,
				settings[s].value, strerror(-err));
			return false;
		}
		k->old_settings[s] = old;
		k->changed |= 1u << s;
	}
	return true;
}

static bool
turn_offloads_off(struct sl_port_kernel *k, char *error, size_t size)
{
	for (unsigned o = 0; o < SL_KERNEL_OFFLOADS; o++) {
		int err;

		if (!offload_is_on(k->name, o))
			continue;
		err = set_offload(k->name, o, false);
		if (err == -EPERM) {
			snprintf(error, size, "no permission to change offloads of %s; run as root or with CAP_NET_ADMIN", k->name);
			return false;
		}
		/* a fixed offload stays: frames above the MTU are then counted and dropped */
		if (!err)
			k->turned_off |= 1u << o;
	}
	return true;
}

int
sl_port_kernel_set_mtu(struct sl_port_kernel *k, uint32_t mtu)
{
	struct ifreq ifr = {.ifr_mtu = (int)mtu};
	int err;

	if (k->mtu >= (int)mtu)
		return 0;
	err = control(k->name, SIOCSIFMTU, &ifr);
	if (err)
		return err;
	if (k->old_mtu == 0)
		k->old_mtu = k->mtu;
	k->mtu = (int)mtu;
	return 0;
}

/* Turns flags on (set) or off. Only what was off is remembered. */
static int
set_flags(struct sl_port_kernel *k, short flags)
{
	struct ifreq ifr = {0};
	short missing;
	int err = control(k->name, SIOCGIFFLAGS, &ifr);

	if (err)
		return err;
	missing = (short)(flags & ~ifr.ifr_flags);
	ifr.ifr_flags |= flags;
	err = missing ? control(k->name, SIOCSIFFLAGS, &ifr) : 0;
	if (!err)
		k->flags_set = missing;
	return err;
}

static bool
prepare(struct sl_port_kernel *k, uint32_t mtu, char *error, size_t size)
{
	int err;

	if (!check_addresses(k->name, error, size) || !change_settings(k, error, size) ||
		!turn_offloads_off(k, error, size))
		return false;
	err = sl_port_kernel_set_mtu(k, mtu);
	if (err) {
		snprintf(error, size, "%s has MTU %d and does not take %u: %s; set `mtu` to what it can do", k->name, k->mtu,
			mtu, strerror(-err));
		return false;
	}
	/* all multicast: neighbour discovery is sent to groups the kernel has not joined */
	err = set_flags(k, IFF_UP | IFF_ALLMULTI);
	if (err) {
		snprintf(error, size, "cannot bring %s up: %s; run as root or with CAP_NET_ADMIN", k->name, strerror(-err));
		return false;
	}
	return true;
}

bool
sl_port_kernel_prepare(struct sl_port_kernel *k, const char *name, uint32_t mtu, char *error, size_t size)
{
	struct ifreq ifr = {0};

	*k = (struct sl_port_kernel){0};
	k->index = strlen(name) < IF_NAMESIZE ? if_nametoindex(name) : 0;
	if (k->index == 0 || control(name, SIOCGIFMTU, &ifr) != 0) {
		snprintf(error, size, "there is no interface %s here; `ip link` lists those there are", name);
		return false;
	}
	strcpy(k->name, name);
	k->mtu = ifr.ifr_mtu;
	if (prepare(k, mtu, error, size))
		return true;
	sl_port_kernel_restore(k);
	return false;
}

static void
restore_flags(struct sl_port_kernel *k)
{
	struct ifreq ifr = {0};

	if (!k->flags_set || control(k->name, SIOCGIFFLAGS, &ifr) != 0)
		return;
	ifr.ifr_flags &= (short)~k->flags_set;
	control(k->name, SIOCSIFFLAGS, &ifr);
}

void
sl_port_kernel_restore(struct sl_port_kernel *k)
{
	/* another interface of that name is not ours to touch */
	if (k->index && if_nametoindex(k->name) == k->index) {
		struct ifreq ifr = {.ifr_mtu = k->old_mtu};

		restore_flags(k);
		if (k->old_mtu)
			control(k->name, SIOCSIFMTU, &ifr);
		for (unsigned o = 0; o < SL_KERNEL_OFFLOADS; o++)
			if (k->turned_off & 1u << o)
				set_offload(k->name, o, true);
		for (unsigned s = 0; s < SL_KERNEL_SETTINGS; s++)
			if (k->changed & 1u << s)
				set_setting(k, s, k->old_settings[s]);
	}
	*k = (struct sl_port_kernel){0};
}

bool
sl_port_kernel_running(const struct sl_port_kernel *k)
{
	struct ifreq ifr = {0};

	return control(k->name, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) && (ifr.ifr_flags & IFF_RUNNING);
}

uint32_t
sl_port_kernel_queues(const char *name)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	uint32_t n = ethtool(name, &ch) == 0 ? ch.combined_count + ch.rx_count : 0;

	return n ? n : 1;
}
