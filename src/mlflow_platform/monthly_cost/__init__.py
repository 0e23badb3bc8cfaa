"""What a deployed environment costs this month and next: an estimate from prices, and what AWS has billed."""
