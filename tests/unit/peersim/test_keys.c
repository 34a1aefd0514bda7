/* Every simulated peer has keys and addresses of its own, and a packet for it is found to be its. */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/x25519.h"
#include "tests/peersim/keys.h"

#define PEERS 300000

static const struct sim_options plain = {.seed = "a", .peers = PEERS};
static const struct sim_options mixed = {.seed = "a", .peers = PEERS, .mixed = true};

Test(peersim_keys, outer_addresses_lead_back_to_their_peers)
{
	const struct sim_options *all[] = {&plain, &mixed};

	for (unsigned o = 0; o < 2; o++) {
		for (uint32_t peer = 0; peer < PEERS; peer += 1 + peer % 7) {
			struct wire_ends ends, back;

			sim_outer_ends(all[o], peer, &ends);
			cr_assert_eq(ends.v6, o == 1 && peer % 2 == 1);
			back = ends;
			memcpy(back.to, ends.from, sizeof(back.to));
			back.to_port = ends.from_port;
			cr_assert_eq(sim_outer_peer(all[o], &back), peer);
			back.to_port++;
			cr_assert_eq(sim_outer_peer(all[o], &back), SIM_NONE, "another port");
		}
	}
}

Test(peersim_keys, nobody_has_the_address_of_another_family_or_beyond)
{
	struct wire_ends ends, back;

	sim_outer_ends(&mixed, 4, &ends);
	back = ends;
	memcpy(back.to, ends.from, sizeof(back.to));
	back.to_port = ends.from_port;
	back.to[3]++; /* the next peer, which speaks IPv6 */
	back.to_port++;
	cr_assert_eq(sim_outer_peer(&mixed, &back), SIM_NONE);
	cr_assert_neq(sim_outer_peer(&plain, &back), SIM_NONE);
	memset(back.to, 0, 4);
	cr_assert_eq(sim_outer_peer(&plain, &back), SIM_NONE);
}

Test(peersim_keys, the_file_names_each_peers_key_and_address)
{
	struct sim_options o = {.seed = "b", .peers = 40, .psk = true};
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN], psk[SL_KEY_LEN];
	char key[SL_KEY_BASE64_LEN + 1], secret[SL_KEY_BASE64_LEN + 1], line[512], wanted[512], *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len), *in;

	cr_assert(sim_write_peers(out, &o, 3, 37));
	fclose(out);
	in = fmemopen(text, len, "r");
	cr_assert_not_null(fgets(line, sizeof(line), in));
	cr_assert_str_eq(line, "peers:\n");
	for (uint32_t peer = 3; peer < 40; peer++) {
		sim_peer_private(o.seed, peer, private_key);
		sl_x25519_public(public_key, private_key);
		sim_peer_psk(&o, peer, psk);
		sl_key_to_base64(key, public_key);
		sl_key_to_base64(secret, psk);
		snprintf(wanted, sizeof(wanted),
		        "  peer-%u: {public-key: \"%s\", preshared-key: \"%s\", allowed-ips: [10.64.1.%u/32]}\n", peer,
		        key, secret, peer);
		cr_assert_not_null(fgets(line, sizeof(line), in));
		cr_assert_str_eq(line, wanted);
	}
	fclose(in);
	free(text);
}

Test(peersim_keys, other_seeds_and_numbers_give_other_keys)
{
	uint8_t a[SL_KEY_LEN], b[SL_KEY_LEN];

	sim_peer_private("a", 0, a);
	sim_peer_private("a", 0, b);
	cr_assert_arr_eq(a, b, SL_KEY_LEN);
	sim_peer_private("b", 0, b);
	cr_assert_arr_neq(a, b, SL_KEY_LEN);
	sim_peer_private("a", 1, b);
	cr_assert_arr_neq(a, b, SL_KEY_LEN);
	sim_hub_private("a", 0, b);
	cr_assert_arr_neq(a, b, SL_KEY_LEN);
}
