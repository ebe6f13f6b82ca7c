"""Why a reply is bad: what is known of it, the rules that read it, and what each would change."""
