//! The bridge and the addresses of one sandbox, and the removal of every trace of them.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::{run, run_to_end};

/// A block of 4096 addresses (`/20`) that belongs to one sandbox; its number names everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    second: u8,
    third: u8,
}

impl Subnet {
    /// All blocks that a sandbox may take, in order of preference.
    fn all() -> impl Iterator<Item = Subnet> {
        (213..=220).flat_map(|second| (0..=240).step_by(16).map(move |third| Subnet { second, third }))
    }

    /// The block with the name that [`Subnet::id`] gave.
    pub(crate) fn from_id(id: &str) -> Option<Subnet> {
        Subnet::all().find(|subnet| subnet.id() == id)
    }

    /// A short name, unique on this machine while the sandbox lives.
    pub(crate) fn id(self) -> String {
        format!("{}-{}", self.second, self.third)
    }

    /// The name of the sandbox's main bridge.
    pub(crate) fn bridge(self) -> String {
        format!("sbx-{}", self.id())
    }

    /// The name of the sandbox's control group.
    pub(crate) fn cgroup(self) -> String {
        format!("xtask-sandbox-{}", self.id())
    }

    /// The address of the bridge, where containers reach the servers of the sandbox.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.second, self.third, 1)
    }

    /// The hardware address of the bridge.
    fn mac(self) -> String {
        let [first, second, third, fourth] = self.gateway().octets();
        format!("02:42:{first:02x}:{second:02x}:{third:02x}:{fourth:02x}")
    }

    /// The part of the block from which Docker takes the networks of Compose projects.
    pub(crate) fn pool(self) -> String {
        format!("10.{}.{}.0/21", self.second, self.third + 8)
    }

    fn block(self) -> Block {
        Block { address: Ipv4Addr::new(10, self.second, self.third, 0), bits: 20 }
    }
}

/// An address with the number of bits that name its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    address: Ipv4Addr,
    bits: u8,
}

impl Block {
    fn parse(text: &str) -> Option<Block> {
        let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
        Some(Block { address: address.parse().ok()?, bits: bits.parse().ok().filter(|bits| *bits <= 32)? })
    }

    /// Whether the two have an address in common.
    fn overlaps(self, other: Block) -> bool {
        let shift = 32 - u32::from(self.bits.min(other.bits));
        let network = |address: Ipv4Addr| u64::from(address.to_bits()) >> shift;
        network(self.address) == network(other.address)
    }
}

/// Takes the first block that no route of the machine touches, by creating its bridge.
pub(crate) fn create() -> Result<Subnet> {
    let routes = run(Command::new("ip").args(["-4", "route", "show", "table", "all"]))?;
    for subnet in Subnet::all().filter(|subnet| is_free(*subnet, &routes)) {
        let bridge = subnet.bridge();
        // Creating the bridge is what reserves the block: of two sandboxes only one can.
        // With an address of its own: else it takes those of its ports, and containers lose their gateway.
        if run(Command::new("ip").args(["link", "add", &bridge, "address", &subnet.mac(), "type", "bridge"])).is_err() {
            if !exists(&bridge) {
                bail!("could not create the bridge `{bridge}`; hint: the sandbox needs root and a kernel with bridges");
            }
            continue;
        }
        let address = format!("{}/24", subnet.gateway());
        run_to_end(Command::new("ip").args(["address", "add", &address, "dev", &bridge]))?;
        run_to_end(Command::new("ip").args(["link", "set", &bridge, "up"]))?;
        return Ok(subnet);
    }
    bail!("no free block of addresses between 10.213.0.0 and 10.220.255.255")
}

/// Waits until no other sandbox changes the firewall: an engine does so when it starts, we when it stops.
///
/// Two engines that start at once trip over each other's chains. The lock leaves no file behind.
pub(crate) fn lock_firewall() -> Result<fs_err::File> {
    let interfaces = fs_err::File::open("/sys/class/net")?;
    interfaces.lock()?;
    Ok(interfaces)
}

/// Whether the destinations in the output of `ip route` leave a block alone.
fn is_free(subnet: Subnet, routes: &str) -> bool {
    let word = |line: &str| line.split_whitespace().find_map(Block::parse);
    !routes
        .lines()
        .filter(|line| !line.starts_with("default"))
        .filter_map(word)
        .any(|route| route.overlaps(subnet.block()))
}

fn exists(interface: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(interface).exists()
}

/// The largest packet that leaves the machine whole, so that containers do not send larger ones.
pub(crate) fn mtu() -> Result<u64> {
    let routes: Value =
        serde_json::from_str(&run(Command::new("ip").args(["-json", "-4", "route", "show", "default"]))?)?;
    let device = routes[0]["dev"].as_str().unwrap_or("lo");
    let mtu = fs_err::read_to_string(format!("/sys/class/net/{device}/mtu"))?;
    Ok(mtu.trim().parse::<u64>().context("MTU")?.min(1500))
}

/// Removes the bridges, firewall rules and control groups that a sandbox with this block left.
pub(crate) fn remove(subnet: Subnet) -> Result<()> {
    let _lock = lock_firewall()?;
    let links: Value = serde_json::from_str(&run_to_end(
        Command::new("ip").args(["-json", "-4", "address", "show", "type", "bridge"]),
    )?)?;
    let ours = |link: &&Value| {
        let addresses = link["addr_info"].as_array().into_iter().flatten();
        addresses.filter_map(|info| Block::parse(info["local"].as_str()?)).any(|block| block.overlaps(subnet.block()))
    };
    let names: Vec<_> =
        links.as_array().into_iter().flatten().filter(ours).filter_map(|link| link["ifname"].as_str()).collect();
    for name in &names {
        run_to_end(Command::new("ip").args(["link", "delete", name]))?;
    }
    crate::firewall::remove(|word| {
        names.contains(&word)
            || word == subnet.bridge()
            || Block::parse(word).is_some_and(|block| block.bits >= 20 && block.overlaps(subnet.block()))
    })?;
    remove_cgroups(&subnet.cgroup());
    Ok(())
}

/// Removes a control group and those below it from every hierarchy of the machine.
fn remove_cgroups(name: &str) {
    let root = std::path::Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in hierarchies.chain([root.to_owned()]) {
        remove_tree(&hierarchy.join(name));
    }
}

fn remove_tree(directory: &std::path::Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    // A group is busy until the kernel has buried its last process, a moment after the kill.
    for _ in 0..50 {
        match std::fs::remove_dir(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str =
        "default via 192.0.2.1 dev eth0\n10.213.0.0/24 dev sbx-213-0 scope link\nlocal 10.213.18.1 dev x table local\n";

    #[test]
    fn a_block_in_use_is_not_chosen() {
        let free: Vec<_> = Subnet::all().filter(|subnet| is_free(*subnet, ROUTES)).map(Subnet::id).collect();
        assert_eq!(free[0], "213-32");
        assert_eq!(free.len(), 126);
    }

    #[test]
    fn a_wide_route_takes_every_block_below_it() {
        assert!(Subnet::all().all(|subnet| !is_free(subnet, "10.0.0.0/8 via 192.0.2.9 dev tun0")));
        assert!(is_free(Subnet { second: 213, third: 0 }, "192.168.0.0/16 dev eth1"));
    }

    #[test]
    fn names_fit_and_lead_back() {
        for subnet in Subnet::all() {
            assert!(subnet.bridge().len() <= 15);
            assert_eq!(Subnet::from_id(&subnet.id()), Some(subnet));
        }
        assert_eq!(Subnet::from_id("../etc"), None);
    }

    #[test]
    fn the_pool_is_inside_the_block_and_beside_the_bridge() {
        let subnet = Subnet { second: 214, third: 240 };
        let pool = Block::parse(&subnet.pool()).expect("a block");
        assert!(pool.overlaps(subnet.block()) && pool.bits > 20);
        assert!(!pool.overlaps(Block { address: subnet.gateway(), bits: 24 }));
    }
}
