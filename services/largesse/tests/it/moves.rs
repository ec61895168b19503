//! Invariant under test: groups of the wallet's partitions move to a database on another server, and back, while an
//! evening's gifts come in through the whole stack, and the books of both databases close as one.

use crate::evening::Evening;
use chaos::{STACK, WALLET_ELSEWHERE};

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_the_wallet_move_to_another_server_and_back_while_gifts_come_in() {
    let roles = STACK.into_iter().chain([WALLET_ELSEWHERE]).collect();
    let mut evening = Evening::of_roles(roles).await;
    evening.send(1).await;
    let (first, second) = {
        let databases = evening.cluster().databases();
        (databases[0].to_owned(), databases[1].to_owned())
    };
    let mut carry = async |from: &str, to: &str, groups: &str| {
        let words = ["shards", "move", "--from", from, "--to", to, "--groups", groups].map(str::to_owned);
        let told = evening.act(move |cluster| cluster.run(&words.each_ref().map(String::as_str))).await;
        println!("{told}");
    };
    carry(&first, &second, "2,6-7").await;
    carry(&second, &first, "6").await;
    let list = ["shards", "list", "--database", &first, "--database", &second];
    let list = evening.cluster().run(&list).expect("it lists");
    assert_eq!(list.lines().filter(|line| line.ends_with(" here")).count(), 8, "{list}");
    assert!(list.lines().any(|line| line.contains("    7  ") && line.contains("wallet-3")), "{list}");
    // Proven with one of the two databases alone, the books do not close, and it says why.
    let half =
        evening.cluster().run(&["check", "--database", &first]).expect_err("half of the wallet is elsewhere");
    assert!(half.to_string().contains("group 7 lies in none of these databases"), "{half}");
    evening.end("three groups moved, one moved back").await;
}
